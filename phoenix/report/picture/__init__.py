"""A picture of the flows: flows → arrows → layout in columns → SVG, or arrows → Mermaid."""
