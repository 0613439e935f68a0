"""Values and derivatives of the lectures' programs, written to lectures.json beside this file.

Each network is written out once more, in plain Python over mpmath, and differentiated by differences with 60 digits
and a step of 1e-20, which leaves 40.

    python3 tests/references/lectures.py
"""

import json
from pathlib import Path

from mpmath import exp, log, mp, mpf, sin, tanh

mp.dps = 60
HERE = Path(__file__).parent
LECTURES = HERE.parent.parent / "examples" / "lectures"
STEP = mpf(10) ** -20


def sigmoid(u):
    return 1 / (1 + exp(-u))


def softplus(u):
    return log(1 + exp(u))


def relu(u):
    return max(u, mpf(0))


def numbers(value):
    """Nested lists of what is written in decimal, as doubles have it."""
    return [numbers(each) for each in value] if isinstance(value, list) else mpf(float(value))


def read(name):
    return {key: numbers(value) for key, value in json.loads((LECTURES / name).read_text()).items()}


def derivative(f, args, name):
    """Of a function of arguments by name, by all elements of one of them, in its shape."""

    def by(value, put):
        if isinstance(value, list):
            return [by(each, lambda moved, i=i: put(value[:i] + [moved] + value[i + 1 :])) for i, each in enumerate(value)]
        up, down = (f({**args, name: put(value + step)}) for step in (STEP, -STEP))
        return (up - down) / (2 * STEP)

    return by(args[name], lambda moved: moved)


def layer(f, W, b, a):
    return [f(offset + sum(w * u for w, u in zip(row, a))) for row, offset in zip(W, b)]


def halves(y, t):
    return sum((u - v) ** 2 for u, v in zip(y, t)) / 2


def adaptive(layers):
    def p(u, v, w):
        return exp(-w * u * u) + v

    def q(u, v, w):
        return u * sin(w * v)

    def r(u, v, w):
        return u * v + w / (1 + u * u)

    def network(args):
        alpha, beta, gamma, x, y = (args[name] for name in ("alpha", "beta", "gamma", "x", "y"))
        b = q(x, y, beta)
        c = r(p(x, y, alpha), b, gamma)
        return c if layers == 2 else p(c, q(b, x, alpha), beta)

    return network


def perceptron_2(args):
    hidden = layer(tanh, args["W1"], args["b1"], args["x"])
    return halves(layer(lambda u: u, args["W2"], args["b2"], hidden), args["t"])


def perceptron_3(f):
    def network(args):
        first = layer(f, args["W1"], args["b1"], args["x"])
        second = layer(f, args["W2"], args["b2"], first)
        return halves(layer(lambda u: u, args["W3"], args["b3"], second), args["t"])

    return network


def worked(args):
    a = args["x"]
    for number in "123":
        a = layer(sigmoid, args["W" + number], args["b" + number], a)
    return a[0]


def convolution_1d(args, stride=2, pad=1):
    x, pooled = args["x"], []
    length = len(x[0])
    for kernel, offset in zip(args["k"], args["b"]):
        row = []
        for left in range(-pad, length + pad - 2, stride):
            terms = [kernel[c][j] * x[c][left + j] for c in range(len(x)) for j in range(3) if 0 <= left + j < length]
            row.append(relu(offset + sum(terms)))
        pooled.append([max(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)])
    return pooled


def convolution_2d(args, stride=2, pad=1):
    x, loss = args["x"], mpf(0)
    height, width = len(x[0]), len(x[0][0])
    for kernel, offset in zip(args["k"], args["b"]):
        size, output = len(kernel[0]), []
        for top in range(-pad, height + pad - size + 1, stride):
            row = []
            for left in range(-pad, width + pad - size + 1, stride):
                value = offset
                for c in range(len(x)):
                    for u in range(size):
                        for v in range(size):
                            if 0 <= top + u < height and 0 <= left + v < width:
                                value += kernel[c][u][v] * x[c][top + u][left + v]
                row.append(relu(value))
            output.append(row)
        for i in range(0, len(output) - 1, 2):
            for j in range(0, len(output[0]) - 1, 2):
                mean = (output[i][j] + output[i + 1][j] + output[i][j + 1] + output[i + 1][j + 1]) / 4
                loss += mean**2 / 2
    return loss


def recurrent(args):
    h, total = [mpf(0)] * len(args["c"]), mpf(0)
    for x, target in zip(args["x"], args["target"]):
        inputs = layer(lambda u: u, args["B"], args["c"], x)
        h = layer(tanh, args["A"], inputs, h)
        total += (sum(v * u for v, u in zip(args["v"], h)) - target) ** 2 / 2
    return total / len(args["x"])


def lstm(args):
    h = c = [mpf(0)] * len(args["target"])
    for x in args["x"]:
        def gate(f, name):
            return layer(f, args["U" + name], layer(lambda u: u, args["W" + name], args["b" + name], x), h)

        i, f, o, g = gate(sigmoid, "i"), gate(sigmoid, "f"), gate(sigmoid, "o"), gate(tanh, "g")
        c = [forget * cell + put * new for forget, cell, put, new in zip(f, c, i, g)]
        h = [out * tanh(cell) for out, cell in zip(o, c)]
    return halves(h, args["target"])


def second_order(args):
    hidden = layer(tanh, args["W"], args["b"], args["x"])
    return (sum(v * u for v, u in zip(args["v"], hidden)) - args["t"]) ** 2 / 2


def control(args):
    p, v, cost = args["p0"], mpf(0), mpf(0)
    for u in args["u"]:
        cost += args["dt"] * (p**2 + args["rho"] * u**2) / 2
        p, v = p + args["dt"] * v, v + args["dt"] * u
    return cost + 10 * (p**2 + v**2)


def doubles(value):
    return [doubles(each) for each in value] if isinstance(value, list) else float(value)


def gradient(f, args, names):
    return {"value": doubles(f(args)), "gradient": {name: doubles(derivative(f, args, name)) for name in names}}


def case(program, args, wrt, command, answer):
    return {"program": program, "args": args, "wrt": wrt, "command": command, "answer": answer}


def of_file(program, file, f, names):
    return case(program, file, names, "grad", gradient(f, read(file), names))


def cases():
    adaptive_args = read("adaptive.json")
    for layers in (2, 3):
        answer = gradient(adaptive(layers), adaptive_args, ["alpha", "beta", "gamma", "x", "y"])
        yield case(f"adaptive_{layers}.chain", "adaptive.json", list(answer["gradient"]), "grad", answer)
    yield of_file("perceptron_2.chain", "perceptron_2.json", perceptron_2, ["W1", "b1", "W2", "b2"])

    args, names = read("perceptron.json"), ["W1", "b1", "W2", "b2", "W3", "b3"]
    answers = [gradient(perceptron_3(f), args, names) for f in (sigmoid, tanh, relu, softplus)]
    answer = {"value": [each["value"] for each in answers], "jacobian": {name: [each["gradient"][name] for each in answers] for name in names}}
    yield case("perceptron_3.chain", "perceptron.json", names, "jacobian", answer)

    yield of_file("worked_network.chain", "worked_network.json", worked, ["W1", "b1", "W2", "b2", "W3", "b3", "x"])
    x = read("convolution_1d.json")
    yield case("convolution_1d.chain", "convolution_1d.json", [], "eval", {"value": doubles(convolution_1d(x))})
    yield of_file("convolution_2d.chain", "convolution_2d.json", convolution_2d, ["k", "b", "x"])
    yield of_file("recurrent.chain", "recurrent.json", recurrent, ["A", "B", "c", "v"])
    yield of_file("lstm.chain", "lstm.json", lstm, [kind + gate for gate in "ifog" for kind in "WUb"])
    yield of_file("second_order.chain", "second_order.json", second_order, ["W", "b", "v"])
    yield of_file("control.chain", "control.json", control, ["u", "p0", "dt", "rho"])

    args = read("second_order.json")

    def slope(moved):
        return derivative(second_order, {**args, "b": [moved["first"]] + args["b"][1:]}, "b")

    up, down = (slope({"first": args["b"][0] + step}) for step in (mpf("1e-12"), mpf("-1e-12")))
    column = [(after - before) / mpf("2e-12") for after, before in zip(up, down)]
    yield case("hessian_vector.chain", "hessian_vector.json", [], "eval", {"value": doubles(column)})


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(each) for each in cases())
    (HERE / "lectures.json").write_text(f"[\n{lines}\n]\n")
