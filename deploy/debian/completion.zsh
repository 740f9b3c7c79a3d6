#compdef defib
# See the script for bash.
local n=$CURRENT
[[ $words[CURRENT] == -* ]] || ((n--))
compadd -- ${(f)"$($words[1] --completion-bash "${(@)words[2,n]}" 2>/dev/null)"} || _files
