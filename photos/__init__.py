"""The study of real photographs: E5-V's argument on a model assembled from pretrained parts."""
