"""The estate's anchors in every store of every host that trusts them: what that means, and how it is brought about."""
