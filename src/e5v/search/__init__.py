"""Find things by what they mean: folder -> vectors -> index; words or a picture -> nearest."""
