"""A scorer as one ONNX file: for services and devices that have no torch."""
