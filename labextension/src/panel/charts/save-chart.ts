/** Copies and downloads the picture or the data of a chart. */

/** Return a base64 picture as the content of a file. */
export function pictureBlob(base64: string): Blob {
  const binary = atob(base64);
  const content = Uint8Array.from(binary, character => character.charCodeAt(0));
  return new Blob([content], { type: 'image/png' });
}

/** Put the picture on the clipboard. */
export async function copyPicture(base64: string): Promise<void> {
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': pictureBlob(base64) })]);
}

/** Let the browser save a file. */
export function download(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the address only after this task.
  setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 10_000);
}

/** Return a title as a file name. */
export function fileStem(title: string): string {
  const stem = title
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase();
  return stem.slice(0, 60) || 'chart';
}
