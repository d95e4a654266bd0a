import unittest

from greeting import greeting


class Greeting(unittest.TestCase):
    def test_who_has_a_name_is_greeted_by_it(self):
        self.assertEqual(greeting("Ada"), "Hello, Ada!\n")

    def test_who_has_none_is_a_stranger(self):
        self.assertEqual(greeting(""), "Hello, stranger!\n")
