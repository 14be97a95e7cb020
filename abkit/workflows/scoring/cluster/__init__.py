"""Score more images than one machine should: on a cluster of Ray, into the store or into Parquet files."""
