"""Pictures from files and to files, with all they carry."""
