"""What a run changes of its model while it trains, and undoes afterwards."""
