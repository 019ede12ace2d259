"""Who is connected to whom in a functional Keras model, by its public face alone."""

import keras


def inputs_of(operation: keras.Operation) -> list[keras.KerasTensor]:
    """The symbolic tensors that a layer or operation, called once, was called on, in order."""
    return keras.tree.flatten(operation.input)


def producers(model: keras.Model) -> dict[int, keras.Operation]:
    """id(tensor) -> the operation of `model` that gives it."""
    return {id(tensor): operation for operation in model.operations for tensor in keras.tree.flatten(operation.output)}


def consumers(model: keras.Model, operation: keras.Operation) -> list[keras.Operation]:
    """The operations of `model` that take an output of `operation`, in the order of the graph."""
    outputs = {id(tensor) for tensor in keras.tree.flatten(operation.output)}
    return [
        other
        for other in model.operations
        if not isinstance(other, keras.layers.InputLayer) and any(id(tensor) in outputs for tensor in inputs_of(other))
    ]
