"""What devloop stands on, looked at: facts from the doors, verdicts as events. Nothing here changes anything."""
