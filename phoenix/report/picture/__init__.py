"""The flows drawn: folded into arrows, laid out in columns, written as SVG or Mermaid."""
