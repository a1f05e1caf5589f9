# Run by cpack between installing and packing: Debian's zsh looks for the completions of packages in
# a folder of its own.
set(zsh ${CPACK_TEMPORARY_DIRECTORY}/usr/share/zsh)
file(RENAME ${zsh}/site-functions ${zsh}/vendor-completions)
