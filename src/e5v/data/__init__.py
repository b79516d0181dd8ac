"""The data of the paper: what they are, where they come from, and whether they are as published."""
