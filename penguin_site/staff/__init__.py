"""What staff see that is of no one app: the admin's navigation and dashboard, transcripts, usage, groups, people."""
