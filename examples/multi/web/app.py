"""Shows the prices that the api knows."""

import urllib.error
import urllib.request

import server

TITLE = "Menu"


def answer(path):
    try:
        with urllib.request.urlopen("http://api/", timeout=2) as response:
            return f"{TITLE}\n{response.read().decode()}"
    except urllib.error.URLError as error:
        return f"{TITLE}\nthe api does not answer: {error.reason}\n"


server.serve("web", answer)
