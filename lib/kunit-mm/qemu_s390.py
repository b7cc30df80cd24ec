# SPDX-License-Identifier: GPL-2.0
#
# kunit.py --qemu_config: s390 does not gather pages that are unmapped, it frees
# them at once. Its huge page is 1 MiB.

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='s390',
			   kconfig='''
CONFIG_DEBUG_ATOMIC_SLEEP=y
CONFIG_EXPERT=y
CONFIG_TUNE_ZEC12=y''',
			   qemu_arch='s390x',
			   kernel_path='arch/s390/boot/bzImage',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=['-machine', 's390-ccw-virtio', '-cpu', 'max'])
