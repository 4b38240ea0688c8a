"""The perturbations of ImageNet-P and CIFAR-P: each makes a short sequence of frames of one image."""
