# Completion of streamer, media-cache, central and media-operator for bash. zsh reads it after
# `autoload -Uz bashcompinit && bashcompinit`. `kubectl media` completes by kubectl itself.

_media_appliance() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options
	COMPREPLY=()
	case ${1##*/} in
	streamer) options="-c --check --explain --version --help" ;;
	central) options="-c --help" ;;
	media-operator) options="--log-level --log-format --health-port --help" ;;
	*) options="--help" ;;
	esac
	case $before in
	--log-level) options="debug info warning" ;;
	--log-format) options="text json" ;;
	--health-port) return ;;
	*)
		if [[ $word != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			return
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -o filenames -F _media_appliance streamer media-cache central media-operator
