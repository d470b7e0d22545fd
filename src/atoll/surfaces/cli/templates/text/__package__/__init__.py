"""__name__: what is said next, learnt by those who keep their words."""
