"""What can be asked of notifications, and what they do about what they hear and by the clock."""
