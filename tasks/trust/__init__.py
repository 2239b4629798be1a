"""The estate's anchors in every trust store of every host of `trusted_ca`."""
