"""__name__: what four hospitals' patients are like, told by counts alone."""
