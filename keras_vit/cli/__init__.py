"""The command: flags -> one call -> lines of output."""
