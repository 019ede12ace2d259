"""kerasseg: from labelled images to a verified int8 segmentation model for small devices."""

__version__ = "0.1.0"
__all__ = ["build_model", "list_datasets", "list_models", "load_dataset"]


def __getattr__(name: str):
    # Importing kerasseg loads neither Keras nor TensorFlow; the first use of a name does.
    if name in ("build_model", "list_models"):
        from kerasseg import models

        return getattr(models, name)
    if name in ("load_dataset", "list_datasets"):
        from kerasseg.data import datasets

        return getattr(datasets, name)
    raise AttributeError(f"module 'kerasseg' has no attribute {name!r}")
