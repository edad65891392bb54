"""Writes fixtures/goldens/metagraph_bert: a tiny BERT's graphs as TensorFlow 1.15 leaves them, and what it computed.

For CPython 3.7 with tensorflow 1.15.5, numpy 1.18, protobuf 3.20 (all on PyPI), nowhere else:

    python3.7 tests/data/write_metagraph_bert.py fixtures/goldens/metagraph_bert

The model is written here from scratch with the scopes of google-research/bert, so that TensorFlow gives the nodes the
names they have in the released `.meta` files; tf.layers.dense, tf.contrib's layer_norm and tf.nn.dropout are the ones
of that time.

    bert_model.ckpt.{index,data-…,meta}  the weights, and the inference graph: Placeholder, Placeholder_1, ..., any size
    train.meta                           as run_pretraining's: tf.data iterator of fixed size, dropout, gradients, Adam
    inference_graph.pb                   as run_classifier's, frozen: IteratorGetNext:0, :1, :4, any number of rows
    golden.npz                           a batch and what TensorFlow 1.15 computed on it
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.contrib import layers as contrib

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(LETTERS) + ["##" + c for c in LETTERS] + [".", ","]
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": len(VOCAB),
}
HIDDEN, HEADS = CONFIG["hidden_size"], CONFIG["num_attention_heads"]
ROWS, LENGTH, PREDICTIONS, LABELS = 4, 16, 3, 3
"""Sizes that the training graph is drawn for."""


def sizes(tensor):
    """Static sizes where known, else tensors: what the original does, and why its graphs keep the size they had."""
    dynamic = tf.shape(tensor)
    return [dynamic[i] if size is None else size for i, size in enumerate(tensor.shape.as_list())]


def initial():
    return tf.truncated_normal_initializer(stddev=CONFIG["initializer_range"])


def gelu(x):
    return x * (0.5 * (1.0 + tf.erf(x / tf.sqrt(2.0))))


def dense(x, size, name, activation=None):
    return tf.layers.dense(x, size, activation=activation, name=name, kernel_initializer=initial())


def norm(x):
    return contrib.layer_norm(inputs=x, begin_norm_axis=-1, begin_params_axis=-1, scope="LayerNorm")


def dropout(x, rate):
    return tf.nn.dropout(x, rate=rate) if rate else x


def encoder(ids, mask, types, training):
    """Returns the last hidden state [B, T, H], the pooled output [B, H] and the table of words."""
    hidden_rate = CONFIG["hidden_dropout_prob"] if training else 0
    attention_rate = CONFIG["attention_probs_dropout_prob"] if training else 0
    rows, length = sizes(ids)
    with tf.variable_scope("bert"):
        with tf.variable_scope("embeddings"):
            words = tf.get_variable("word_embeddings", [CONFIG["vocab_size"], HIDDEN], initializer=initial())
            x = tf.reshape(tf.gather(words, tf.reshape(ids, [-1])), [rows, length, HIDDEN])
            kinds = CONFIG["type_vocab_size"]
            table = tf.get_variable("token_type_embeddings", [kinds, HIDDEN], initializer=initial())
            typed = tf.matmul(tf.one_hot(tf.reshape(types, [-1]), depth=kinds), table)
            x += tf.reshape(typed, [rows, length, HIDDEN])
            most = CONFIG["max_position_embeddings"]
            with tf.control_dependencies([tf.assert_less_equal(length, most)]):
                places = tf.get_variable("position_embeddings", [most, HIDDEN], initializer=initial())
                x += tf.reshape(tf.slice(places, [0, 0], [length, -1]), [1, length, HIDDEN])
            x = dropout(norm(x), hidden_rate)
        with tf.variable_scope("encoder"):
            visible = tf.cast(tf.reshape(mask, [rows, 1, length]), tf.float32)
            visible = tf.ones([rows, length, 1], tf.float32) * visible
            x = tf.reshape(x, [-1, HIDDEN])
            for layer in range(CONFIG["num_hidden_layers"]):
                with tf.variable_scope(f"layer_{layer}"):
                    x = block(x, visible, rows, length, hidden_rate, attention_rate)
            last = tf.reshape(x, [rows, length, HIDDEN])
        with tf.variable_scope("pooler"):
            pooled = dense(tf.squeeze(last[:, 0:1, :], axis=1), HIDDEN, "dense", tf.tanh)
    return last, pooled, words


def block(x, visible, rows, length, hidden_rate, attention_rate):
    size = HIDDEN // HEADS

    def heads(matrix):
        return tf.transpose(tf.reshape(matrix, [rows, length, HEADS, size]), [0, 2, 1, 3])

    with tf.variable_scope("attention"):
        with tf.variable_scope("self"):
            query, key, value = dense(x, HIDDEN, "query"), dense(x, HIDDEN, "key"), dense(x, HIDDEN, "value")
            scores = tf.multiply(tf.matmul(heads(query), heads(key), transpose_b=True), 1.0 / np.sqrt(float(size)))
            scores += (1.0 - tf.expand_dims(visible, axis=[1])) * -10000.0
            probs = dropout(tf.nn.softmax(scores), attention_rate)
            mixed = tf.transpose(tf.matmul(probs, heads(value)), [0, 2, 1, 3])
            context = tf.reshape(mixed, [rows * length, HIDDEN])
        with tf.variable_scope("output"):
            attended = norm(dropout(dense(context, HIDDEN, "dense"), hidden_rate) + x)
    with tf.variable_scope("intermediate"):
        inner = dense(attended, CONFIG["intermediate_size"], "dense", gelu)
    with tf.variable_scope("output"):
        return norm(dropout(dense(inner, HIDDEN, "dense"), hidden_rate) + attended)


def pretraining(last, pooled, words, positions):
    """Logits of both pretraining heads."""
    with tf.variable_scope("cls/predictions"):
        rows, length = sizes(last)[:2]
        flat = tf.reshape(positions + tf.reshape(tf.range(0, rows, dtype=tf.int32) * length, [-1, 1]), [-1])
        x = tf.gather(tf.reshape(last, [rows * length, HIDDEN]), flat)
        with tf.variable_scope("transform"):
            x = norm(dense(x, HIDDEN, "dense", gelu))
        bias = tf.get_variable("output_bias", [CONFIG["vocab_size"]], initializer=tf.zeros_initializer())
        masked = tf.nn.bias_add(tf.matmul(x, words, transpose_b=True), bias)
        tf.nn.log_softmax(masked, axis=-1)
    with tf.variable_scope("cls/seq_relationship"):
        weights = tf.get_variable("output_weights", [2, HIDDEN], initializer=initial())
        bias = tf.get_variable("output_bias", [2], initializer=tf.zeros_initializer())
        following = tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)
    return masked, following


def classifier(pooled):
    weights = tf.get_variable("output_weights", [LABELS, HIDDEN], initializer=initial())
    bias = tf.get_variable("output_bias", [LABELS], initializer=tf.zeros_initializer())
    with tf.variable_scope("loss"):
        return tf.nn.softmax(tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias), axis=-1)


def weights(variables):
    """Values by name from a seed, large enough that attention and GELU matter."""
    rng = np.random.RandomState(7)
    found = {}
    for variable in sorted(variables, key=lambda v: v.op.name):
        last = variable.op.name.rpartition("/")[2]
        spread = 0.3 if last == "kernel" else 0.1 if last in ("beta", "gamma", "bias", "output_bias") else 0.5
        found[variable] = rng.normal(0, spread, variable.shape.as_list()).astype(np.float32) + (last == "gamma")
    return found


def load(session, variables):
    for variable, value in weights(variables).items():
        variable.load(value, session)


def features(names, records, batch):
    """A dataset as input_fn builds it: records parsed to a dictionary, whose keys the iterator sorts."""
    lengths = {"masked_lm_positions": [PREDICTIONS], "masked_lm_ids": [PREDICTIONS], "label_ids": []}
    parsed = {name: tf.FixedLenFeature(lengths.get(name, [LENGTH]), tf.int64) for name in names}

    def decode(record):
        return {key: tf.to_int32(value) for key, value in tf.parse_single_example(record, parsed).items()}

    data = tf.data.TFRecordDataset(records).repeat().shuffle(buffer_size=100)
    data = data.apply(tf.data.experimental.map_and_batch(decode, batch_size=batch, drop_remainder=batch != 1))
    return tf.data.make_one_shot_iterator(data).get_next()


def write_inference(out):
    graph = tf.Graph()
    with graph.as_default():
        ids, mask, types = (tf.placeholder(tf.int32, [None, None]) for _ in range(3))
        positions = tf.placeholder(tf.int32, [None, None])
        last, pooled, words = encoder(ids, mask, types, training=False)
        masked, following = pretraining(last, pooled, words, positions)
        rng = np.random.RandomState(3)
        fed_ids = rng.randint(5, CONFIG["vocab_size"], (3, 11))
        fed_mask = (np.arange(11) < np.array([[11], [7], [4]])).astype(np.int32)
        fed_types = ((np.arange(11) > 4) * fed_mask).astype(np.int32)
        fed_positions = np.array([[1, 5], [2, 6], [1, 3]], np.int32)
        fed = {ids: np.where(fed_mask, fed_ids, 0).astype(np.int32), mask: fed_mask, types: fed_types}
        fed[positions] = fed_positions
        wanted = {
            "embeddings": "bert/embeddings/LayerNorm/batchnorm/add_1:0",
            "layer_0": "bert/encoder/layer_0/output/LayerNorm/batchnorm/add_1:0",
            "layer_1": "bert/encoder/layer_1/output/LayerNorm/batchnorm/add_1:0",
            "pooled_output": pooled.name,
            "mlm_logits": masked.name,
            "nsp_logits": following.name,
        }
        with tf.Session() as session:
            load(session, tf.trainable_variables())
            values = dict(zip(wanted, session.run(list(wanted.values()), fed)))  # noqa: B905 - Python 3.7
            saver = tf.train.Saver(tf.trainable_variables())
            saver.save(session, str(out / "bert_model.ckpt"))
    (out / "checkpoint").unlink()
    for name, value in values.items():
        values[name] = value if len(value) == 3 else value.reshape(3, -1, value.shape[-1])
    np.savez_compressed(
        str(out / "golden.npz"),
        input_ids=fed[ids],
        input_mask=fed_mask,
        segment_ids=fed_types,
        masked_lm_positions=fed_positions,
        **values,
    )


def write_training(out):
    with tf.Graph().as_default():
        names = ["input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids", "label_ids"]
        fed = features(names, ["/tmp/records"], ROWS)
        last, pooled, words = encoder(fed["input_ids"], fed["input_mask"], fed["segment_ids"], training=True)
        masked, following = pretraining(last, pooled, words, fed["masked_lm_positions"])
        loss = tf.losses.sparse_softmax_cross_entropy(tf.reshape(fed["masked_lm_ids"], [-1]), masked)
        loss += tf.losses.sparse_softmax_cross_entropy(fed["label_ids"], following)
        tf.summary.scalar("loss", loss)
        step = tf.train.get_or_create_global_step()
        tf.train.AdamOptimizer(1e-4).minimize(loss, global_step=step)
        saver = tf.train.Saver()
        saver.export_meta_graph(str(out / "train.meta"), strip_default_attrs=True, clear_devices=True)


def write_frozen(out):
    with tf.Graph().as_default() as graph:
        names = ["input_ids", "input_mask", "segment_ids", "label_ids", "is_real_example"]
        lengths = {"is_real_example": [], "label_ids": []}
        shapes = {name: lengths.get(name, [LENGTH]) for name in names}
        data = tf.data.Dataset.from_tensor_slices({n: np.zeros([2, *s], np.int32) for n, s in shapes.items()})
        fed = tf.data.make_one_shot_iterator(data.batch(8, drop_remainder=False)).get_next()
        _, pooled, _ = encoder(fed["input_ids"], fed["input_mask"], fed["segment_ids"], training=False)
        probabilities = classifier(pooled)
        with tf.Session() as session:
            load(session, tf.trainable_variables())
            frozen = tf.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), [probabilities.op.name]
            )
    (out / "inference_graph.pb").write_bytes(frozen.SerializeToString())


def main(out):
    part = Path(tempfile.mkdtemp())
    write_inference(part)
    write_training(part)
    write_frozen(part)
    (part / "bert_config.json").write_text(json.dumps(CONFIG, indent=1))
    (part / "vocab.txt").write_text("".join(token + "\n" for token in VOCAB))
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(part.iterdir()):
        shutil.copyfile(str(file), str(out / file.name))
    shutil.rmtree(str(part))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
