"""Which operations of a graph from outside may run here, and which no graph may hold at all.

A graph is a program. TensorFlow runs whatever it holds, Python callbacks and file access included, so nothing but
arithmetic on tensors is let through: what is not in `COMPUTE` is refused by name before TensorFlow sees the graph.
Training graphs also hold saving, input pipelines, gradients and optimizers. None of that is ever needed for an output:
it is left out, and not judged, but for `FORBIDDEN`, which has no business in the graph of a model.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMPUTE = _names(
    """
    Const Identity IdentityN StopGradient PreventGradient Snapshot PlaceholderWithDefault Shape ShapeN Size Rank
    Reshape ExpandDims Squeeze Transpose Pack Unpack Concat ConcatV2 Split SplitV Slice StridedSlice Tile Fill
    ZerosLike OnesLike Range LinSpace Pad PadV2 BroadcastTo BroadcastArgs Reverse ReverseV2 Gather GatherV2
    GatherNd ScatterNd OneHot Where Select SelectV2 MatrixBandPart InvertPermutation MatrixDiag MatrixDiagPart
    ReverseSequence TopK TopKV2 ArgMax ArgMin Cumsum Cast Bitcast Add AddV2 AddN Sub Mul Div RealDiv FloorDiv
    DivNoNan Mod FloorMod Pow Square SquaredDifference Sqrt Rsqrt Neg Abs Sign Exp Log Log1p Expm1 Reciprocal
    Inv Maximum Minimum Floor Ceil Round Rint Erf Erfc Tanh Sigmoid Relu Relu6 LeakyRelu Elu Selu Softplus Sin
    Cos ClipByValue MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum BiasAdd BiasAddV1 Softmax LogSoftmax
    L2Loss Sum Mean Prod Max Min All Any EuclideanNorm FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Equal
    NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot
    """
)
"""Pure functions of their inputs: no state, no strings, no functions of the library, no file and no random number."""

RANDOM = _names(
    """
    RandomUniform RandomStandardNormal TruncatedNormal RandomUniformInt StatelessRandomUniform
    StatelessRandomUniformV2 StatelessRandomNormal StatelessTruncatedNormal Multinomial
    """
)
"""Refused like the rest, where no known form of dropout explains them."""

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})
"""Become constants, read from the checkpoint by our own reader."""

READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})
"""What may be done with a `VarHandleOp`; becomes an ordinary operation on the constant."""

SOURCES = _names(
    """
    Placeholder PlaceholderV2 IteratorGetNext IteratorGetNextSync IteratorGetNextAsOptional ParseExample
    ParseExampleV2 ParseSingleExample ParseSingleSequenceExample ParseSequenceExample InfeedDequeue
    InfeedDequeueTuple QueueDequeue QueueDequeueV2 QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo
    QueueDequeueUpToV2 Batch DecodeRaw
    """
)
"""Where batches come from; their outputs become placeholders, and they themselves never run."""

FORBIDDEN = _names(
    """
    PyFunc PyFuncStateless EagerPyFunc ReadFile WriteFile PrintV2 DatasetToTFRecord
    ExperimentalDatasetToTFRecord SaveDataset SaveDatasetV2 DistributedSave RemoteCall RemoteFusedGraphExecute
    DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2
    RpcCall RpcServer RpcClient DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3
    DataServiceDatasetV4 RegisterDataset RegisterDatasetV2 XlaLaunch
    """
)
"""Python callbacks, files and the network: refused wherever they stand, in functions of the library, too."""

NUMBERS = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool", 14: "bfloat16",
    17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
"""TensorFlow's DataType; strings, resources, variants and complex numbers are not taken."""
TYPES = {name: number for number, name in NUMBERS.items()}
