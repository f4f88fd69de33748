"""The pages of the site that are generated from what is bundled: templates, styles, dialects and models."""
