// The files that a .tflite file carries behind its model: a zip archive at the end,
// as TFLite's metadata packs them. `unzip -l model.tflite` lists them, too.

const END = 0x06054b50; // of the central directory: 22 bytes and a comment
const ENTRY = 0x02014b50; // of one file in it: 46 bytes, name, extra field, comment
const END_LENGTH = 22;
const LONGEST_COMMENT = 0xffff;

/**
 * Reads the archive at the end of a file.
 *
 * @param {Uint8Array} bytes the whole file.
 * @returns {Object<string, string>} the texts of its files by their names; none where
 *   there is no archive.
 */
export function associatedFiles(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const files = {};
  if (end < 0) return files;
  const size = view.getUint32(end + 12, true);
  // Offsets count from the archive's start, or from the file's: the directory, which
  // ends where its end record begins, tells by how much they are out.
  const shift = end - size - view.getUint32(end + 16, true);
  let at = end - size;
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("its archive is damaged");
    const [name, length] = [46, view.getUint16(at + 28, true)];
    const key = new TextDecoder().decode(bytes.subarray(at + name, at + name + length));
    files[key] = text(bytes, view, at, shift + view.getUint32(at + 42, true), key);
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return files;
}

function findEnd(view) {
  const last = view.byteLength - END_LENGTH;
  for (let at = last; at >= Math.max(0, last - LONGEST_COMMENT); at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  return -1;
}

function text(bytes, view, entry, local, name) {
  if (view.getUint16(entry + 10, true) !== 0) {
    throw new Error(`${name} in its archive is compressed. Expected it as it is`);
  }
  // The local header has its own lengths of the name and of the extra field.
  const start =
    local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const length = view.getUint32(entry + 20, true);
  return new TextDecoder().decode(bytes.subarray(start, start + length));
}
