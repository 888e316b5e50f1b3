"""The paper's tables as declarations, by kind of experiment."""
