"""Read and write objects of a store: s3://, gs:// and az://; and read files of the hub, hf://."""
