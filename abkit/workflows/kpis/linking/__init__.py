"""Link ads to creatives: by names, patterns, images, tables or by hand."""
