"""What makes environments, builds packages or starts a browser: `make test-all`."""
