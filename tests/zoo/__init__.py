"""Small whole models, as TensorFlow's converter makes them, with the answers of LiteRT's package."""
