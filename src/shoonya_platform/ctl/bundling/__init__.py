"""What a bug report needs in one archive: masked on the way in, searched at the end."""
