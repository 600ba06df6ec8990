"""The commands that help to find one's way: keys, configurations, words of reports, versions, room taken."""
