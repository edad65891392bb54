"""Write the Hugging Face directory, spaCy package, OpenVINO IR, ONNX file, TensorFlow checkpoint; and prove them."""
