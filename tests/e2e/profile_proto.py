"""Reads pprof's profile.proto, by its public definition: github.com/google/pprof/blob/main/proto/profile.proto."""
import collections
import dataclasses


def fields(data):
    """{field number: [value, ...]} of one message; texts and messages are bytes."""
    found, at = collections.defaultdict(list), 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found[key >> 3].append(varint())
        else:
            assert key & 7 == 2
            size = varint()
            found[key >> 3].append(data[at : at + size])
            at += size
            assert at <= len(data)
    return found


def packed(data):
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    return values


@dataclasses.dataclass
class Profile:
    types: list  # (type, unit)
    samples: list  # (((function, file, line), ...) innermost first, values, {label: text})
    duration_nanos: int


def read(data):
    top = fields(data)
    texts = [text.decode() for text in top[6]]
    assert texts[0] == ""

    def one(message, number):
        return message.get(number, [0])[0]

    functions = {}
    for message in map(fields, top[5]):
        functions[one(message, 1)] = (texts[one(message, 2)], texts[one(message, 4)])
    locations = {}
    for message in map(fields, top[4]):
        (line,) = map(fields, message[4])
        locations[one(message, 1)] = (*functions[one(line, 1)], one(line, 2))
    samples = []
    for message in map(fields, top[2]):
        stack = tuple(locations[number] for block in message[1] for number in packed(block))
        labels = {texts[one(label, 1)]: texts[one(label, 2)] for label in map(fields, message[3])}
        samples.append((stack, packed(message[2][0]), labels))
    types = [(texts[one(message, 1)], texts[one(message, 2)]) for message in map(fields, top[1])]
    return Profile(types, samples, one(top, 10))
