"""An operator's questions to the model: which rules decide, who can connect, what to declare, what to test."""
