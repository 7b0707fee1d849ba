"""Training of the embedded model: scenes, autoencoder, denoiser, few-step phase, evaluation, export."""
