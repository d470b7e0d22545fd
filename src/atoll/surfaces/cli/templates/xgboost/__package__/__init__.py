"""__name__: who has a heart disease, learnt by hospitals that keep their patients."""
