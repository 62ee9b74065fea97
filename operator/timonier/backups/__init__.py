"""Back up an application's data: when, and which backups are kept."""
