# Kingpin's own script takes a command that is half typed for an argument of serve, and
# completes none.
_defib() {
	local word=${COMP_WORDS[COMP_CWORD]} n=$COMP_CWORD
	[[ $word == -* ]] || n=$((n - 1))
	COMPREPLY=($(compgen -W "$("$1" --completion-bash "${COMP_WORDS[@]:1:n}" 2>/dev/null)" -- "$word"))
}
complete -o default -F _defib defib
