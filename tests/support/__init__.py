"""What tests share: models, data, oracles, servers and programs."""
