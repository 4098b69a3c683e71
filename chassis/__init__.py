"""What every service is bolted to: it carries messages, rows and logs, and has no opinion about tickets."""
