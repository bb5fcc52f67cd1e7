"""Pictures: on disk, at other sizes, their colours, and masks."""
