"""What the command line can do, one file per verb: its options, its help and its act."""
