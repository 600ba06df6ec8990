"""The first tasks of docs/first-tasks.md, walked on a bare machine: what the page shows is what was said."""
