"""The files of a run: its folder, checkpoints, results and sample images."""
