"""Data sets, augmentation and the tf.data pipeline."""
