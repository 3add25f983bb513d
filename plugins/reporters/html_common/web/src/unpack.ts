// Columns of numbers as packed.h writes them: base64 of bytes with seven bits each, low ones first, and a mark on all but
// a number's last.

export function unpack(text: string): Float64Array {
  const bytes = atob(text);
  let size = 0;
  for (let i = 0; i < bytes.length; ++i) if (bytes.charCodeAt(i) < 0x80) ++size;
  const numbers = new Float64Array(size);
  let at = 0;
  let value = 0;
  let scale = 1; // numbers may have more bits than the shift operator takes
  for (let i = 0; i < bytes.length; ++i) {
    const byte = bytes.charCodeAt(i);
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      numbers[at++] = value;
      value = 0;
      scale = 1;
    }
  }
  return numbers;
}

// Those that were written with their sign in the lowest bit.
export function unpackSigned(text: string): Float64Array {
  return unpack(text).map((value) => (value % 2 === 1 ? -(value + 1) / 2 : value / 2));
}
