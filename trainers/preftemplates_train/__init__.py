"""A thin reward-model trainer over preftemplates, on `transformers.Trainer`."""
