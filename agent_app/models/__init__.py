"""A model's name becomes a LangChain chat model."""
