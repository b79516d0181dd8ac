// A note's Markdown as plain text: marks are removed, nothing becomes HTML.
//
// text of a .md file -> lines without marks -> text for textContent

const MARKDOWN = /\.(md|markdown|mdx)$/i;

// In this order; each removes one kind of mark.
const MARKS = [
  [/^---\n[\s\S]*?\n---\n/, ""], // front matter
  [/<!--[\s\S]*?-->/g, ""],
  [/^(```|~~~).*$/gm, ""],
  [/<\/?[a-z][^<>]*>/gi, ""], // HTML
  [/!\[([^\]]*)\]\([^)]*\)/g, "$1"],
  [/\[([^\]]+)\]\([^)]*\)/g, "$1"],
  [/\[([^\]]+)\]\[[^\]]*\]/g, "$1"],
  [/^ {0,3}\[[^\]]+\]:[ \t].*$/gm, ""], // where a link leads
  [/^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$/gm, "$1"],
  [/^ {0,3}(=+|-{3,}|\*{3,}|_{3,})[ \t]*$/gm, ""], // rules and underlined headings
  [/^ {0,3}(> ?)+/gm, ""],
  [/^([ \t]*)[-*+][ \t]+(\[[ xX]\][ \t]+)?/gm, "$1• "],
  [/(\*\*|__)(?=\S)([\s\S]*?\S)\1/g, "$2"],
  [/(?<![\w*\\])\*(?=\S)([^*\n]*?\S)\*(?![\w*])/g, "$1"],
  [/(?<![\w_])_(?=\S)([^_\n]*?\S)_(?![\w_])/g, "$1"],
  [/~~(?=\S)([\s\S]*?\S)~~/g, "$1"],
  [/`+([^`\n]+)`+/g, "$1"],
  [/^\|?([ \t]*:?-+:?[ \t]*\|)+[ \t]*:?-*:?[ \t]*$/gm, ""], // below the head of a table
  [/\\([\\`*_{}[\]()#+.!|>-])/g, "$1"],
  [/\n{3,}/g, "\n\n"],
];

/** Return the text of an entry without the marks of Markdown, if it is of such a file. */
export function plainText({ text, path }) {
  if (!MARKDOWN.test(path ?? "")) return text.trim();
  return MARKS.reduce((left, [mark, kept]) => left.replace(mark, kept), text).trim();
}
